"""The benchmark of the observers: how many events each kind of listener takes, and how late. ``make bench`` runs it."""
