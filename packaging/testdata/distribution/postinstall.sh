#!/bin/sh
systemctl daemon-reload
systemctl enable --now caddy
