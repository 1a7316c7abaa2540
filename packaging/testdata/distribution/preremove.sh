#!/bin/sh
case $1 in
remove) systemctl stop caddy ;;
0) systemctl disable --now caddy ;;
esac
