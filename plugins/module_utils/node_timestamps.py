# SPDX-License-Identifier: MIT
"""Which network interfaces take timestamps of packets by themselves."""

from __future__ import annotations

import array
import fcntl
import socket
import struct

_SIOCETHTOOL = 0x8946
_GET_TS_INFO = 0x41
# From linux/net_tstamp.h: hardware transmit, hardware receive, and their raw times. chronyd asks for all three.
_HARDWARE = 1 << 0 | 1 << 2 | 1 << 6


def can_timestamp(capabilities: int) -> bool:
    """Whether what ETHTOOL_GET_TS_INFO gives in ``so_timestamping`` is enough for chronyd's ``hwtimestamp``."""
    return capabilities & _HARDWARE == _HARDWARE


def has_hardware_timestamps(interface: str) -> bool:
    """Whether an interface can, asked as ``ethtool -T`` asks; a host need not have that program."""
    # struct ethtool_ts_info: cmd, so_timestamping, phc_index, tx_types and three more, rx_filters and three more.
    info = array.array("B", struct.pack("=IIi8I", _GET_TS_INFO, 0, 0, *[0] * 8))
    request = struct.pack("16sP16x", interface.encode(), info.buffer_info()[0])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            fcntl.ioctl(sock, _SIOCETHTOOL, request)
    except OSError:
        return False
    return can_timestamp(struct.unpack_from("=II", info.tobytes())[1])
