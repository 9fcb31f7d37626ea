"""What operators deploy with, beside Terraform: the source archive, a smoke test, going back."""
