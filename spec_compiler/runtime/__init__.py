"""Models at work: training, evaluation, prediction. Nothing here is imported until it is used; torch loads with it."""
