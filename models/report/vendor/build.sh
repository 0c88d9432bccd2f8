#!/usr/bin/env bash
# Makes three.min.js, the one script that reports take with them, from the npm package three (MIT).
# Run by hand when three.js is to be renewed; needs npm and a network.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes > /dev/null
npm install --no-audit --no-fund three@0.187.0 esbuild@0.28.2
cp "$here/three.entry.js" entry.js
npx esbuild entry.js --bundle --minify --format=iife --global-name=THREE --charset=ascii \
    --legal-comments=none --banner:js="/*! three.js 0.187.0, MIT licence, Copyright 2010-2026 three.js authors: see three.LICENSE */" \
    --outfile="$here/three.min.js"
cp node_modules/three/LICENSE "$here/three.LICENSE"
