"""Rules that an inventory and its hosts must meet before anything is changed.

Everything here is plain Python over plain values, so that each rule can be tested by itself; only ``resolve`` knows
Ansible's templating. Two action plugins call it: ``preflight_inventory`` and ``preflight_host``.
"""
