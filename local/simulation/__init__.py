"""What the Twilio and the Claude simulator share: the local clock, faults on demand, HTTP edges."""
