"""What tests/test_docs.py needs: reading of Markdown pages, and running of what they show."""
