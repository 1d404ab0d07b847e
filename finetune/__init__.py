"""Fine-tune a reranker or a late-interaction model on judged queries of one's own: `shortlist finetune` runs it."""
