"""Who may call the service: trusted hosts, origins of web pages, API keys and their limits. Nothing here knows HTTP."""
