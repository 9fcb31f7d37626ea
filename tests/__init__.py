"""Tests: real PostgreSQL, real HTTP, real SDKs; each named as a sentence about behaviour."""
