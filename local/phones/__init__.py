"""The phones page: text the system as any number and watch the pipeline beside the bubbles."""
