package demo

// Caddyfile is what the demo runs.
const Caddyfile = caddyfile
