"""The models at work: texts to vectors and scores, jobs in lanes, and the slots that run them."""
