"""Has tools that know the OpenAPI document alone judge a running system; docs/CONTRACT.md describes it."""
