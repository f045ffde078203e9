"""The OpenID provider and OAuth authorization server for development, never for production.

A click signs in, so whoever reaches it is everybody. Otherwise it keeps the rules of a real
provider (PKCE, pushed requests, key-bound clients, fresh logins): what works here works there.

Start at `app.py`. One event loop and no threads: what lies between two `await`s needs no lock.
"""
