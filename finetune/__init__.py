"""Fine-tune a cross-encoder on judged queries of one's own; `shortlist finetune` runs it."""
