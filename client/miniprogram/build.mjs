// Builds dist: one file for require, one for import, and the types. The licence is the repository's.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('.', import.meta.url)));
const { outputFiles: [{ text }] } = await build({
  entryPoints: ['src/index.ts'], bundle: true, minify: true, format: 'esm', target: 'es2017', charset: 'utf8', legalComments: 'none', write: false,
  mangleProps: /^(authorized|after|has|body|json)$/, // which nobody outside sees
});
const exported = /export\{(\w+) as create\};\s*$/;
if (!exported.test(text)) throw new Error(`the bundle exports something else: …${text.slice(-60)}`);
mkdirSync('dist', { recursive: true });
put('index.mjs', text);
put('index.js', text.replace(exported, 'exports.create=$1;\n'));
copyFileSync('../../LICENSE', 'LICENSE');
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], { stdio: 'inherit' });

// put replaces a file as a whole: somebody may read it meanwhile.
function put(name, content) {
  writeFileSync(`.${name}`, content);
  renameSync(`.${name}`, `dist/${name}`);
}
