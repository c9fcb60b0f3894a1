"""How a node of an active-replica mesh takes part again after it was away.

KeyDB keeps no record of a deletion, and its append-only file has none of the changes that came from other nodes. A node
that starts from its own files therefore brings back what was deleted meanwhile, and gives it to all others by the full
synchronisation that they then ask of it. So a node whose peers know it starts with nothing instead:

1. Its files are set aside. The server starts without any data and lets no client in.
2. The peers synchronise from it first, while there is nothing that they could be given. Then they are kept out.
3. It takes everything from them, one after the other, and forgets what none of them has.
4. The peers go on from where they were, and the clients are let in.

A node whose peers are all gone, or none of which ever followed it, starts from its own files: after a power cut they
are all there is.

Runs on the nodes with the distribution's own Python (3.10 or newer) and its package python3-redis (3.5 or newer).
"""
