"""Faults: which there are and to whom they happen (on the controller), and doing and undoing them (on a host).

Runs on the hosts with the distribution's own Python (3.10 or newer) and its standard library only.
"""
