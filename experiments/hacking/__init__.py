"""Is the reward-hacking alarm right? Judged on recorded trainings."""
