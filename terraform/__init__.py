"""What operators deploy with: Terraform, the source archive, a smoke test, going back."""
