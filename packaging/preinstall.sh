#!/bin/sh
# Notes that it was not here before; one that was removed and comes back was not either. deb says "install", rpm that this will be the only one.
case $1 in
install | 1) : >/run/caddypay.installed ;;
esac
