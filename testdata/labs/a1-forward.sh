#!/bin/sh
# A router that forwards, and no rule at all.
sysctl -qw net.ipv4.ip_forward=1
