'use strict';

// What a developer does with the package: installs the tarball, builds npm in WeChat's tools, and compiles TypeScript against its types.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test, before, after } = require('node:test');

const root = path.dirname(__dirname);
let project;

before(() => {
  project = fs.mkdtempSync(path.join(os.tmpdir(), 'miniprogram-'));
  const source = path.join(project, 'client/miniprogram'); // as it is checked out: nothing is built yet
  fs.cpSync(root, source, { recursive: true, filter: (file) => !/^(dist|node_modules|LICENSE)(\/|$)/.test(path.relative(root, file)) });
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(source, 'node_modules'));
  for (const page of ['README.md', 'README.zh-CN.md']) assert.match(fs.readFileSync(path.join(source, page), 'utf8'), /`npm ci && npm run build && npm pack`/);
  fs.copyFileSync(path.join(root, '../../LICENSE'), path.join(project, 'LICENSE'));
  execFileSync('npm', ['run', 'build'], { cwd: source, stdio: 'ignore' });
  const [{ filename, files }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', project], { cwd: source, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  assert.deepEqual(files.map((f) => f.path).filter((f) => !/^dist\/\w+\.d\.ts$/.test(f)).sort(),
    ['LICENSE', 'README.md', 'README.zh-CN.md', 'dist/index.js', 'dist/index.mjs', 'package.json']);
  const write = (name, value) => {
    fs.mkdirSync(path.dirname(path.join(project, name)), { recursive: true });
    fs.writeFileSync(path.join(project, name), typeof value === 'string' ? value : JSON.stringify(value));
  };
  write('package.json', { name: 'shop', version: '1.0.0' });
  execFileSync('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', `./${filename}`], { cwd: project, stdio: 'ignore' });
  write('project.config.json', { appid: 'wx0123456789abcdef', compileType: 'miniprogram', miniprogramRoot: './', setting: {} });
  write('app.json', { pages: ['pages/order/order'] });
  write('app.js', 'App({})');
  write('pages/order/order.js', "const { create } = require('caddypay-miniprogram');\nPage({ pay: create({ base: 'https://shop.example.com/pay' }).pay });");
  write('pages/order/order.wxml', '<view/>');
  write('shop.ts', `
import { create, type Outcome, type PayError } from 'caddypay-miniprogram';
const pay = create({ base: 'https://shop.example.com/pay', lang: 'en' });
export async function buy(orderNo: string): Promise<string> {
  try {
    if ((await pay.orderState(1001)).status === 'closed') return (await pay.pay(1001)).message;
    const { result, charge }: Outcome = await pay.pay(orderNo, { left: () => false });
    return result === 'paid' ? \`\${charge!.amount} fen\` : result;
  } catch (err) {
    return (err as PayError).code;
  }
}
// @ts-expect-error a site is needed
create({});
`);
});
after(() => fs.rmSync(project, { recursive: true, force: true }));

test('WeChat builds it without a warning', async () => {
  const ci = require('miniprogram-ci');
  fs.writeFileSync(path.join(project, 'key'), 'none: building npm signs nothing');
  const warnings = await ci.packNpm(new ci.Project({
    appid: 'wx0123456789abcdef', type: 'miniProgram', projectPath: project, privateKeyPath: path.join(project, 'key'), ignores: ['node_modules/**/*'],
  }), { reporter: (info) => assert.equal(info.miniProgramPackNum + info.otherNpmPackNum, 1) });
  assert.deepEqual(warnings, []);
  const { create } = require(path.join(project, 'miniprogram_npm/caddypay-miniprogram'));
  assert.equal(typeof create, 'function');
});

test('import and require give the same', async () => {
  const installed = path.join(project, 'node_modules/caddypay-miniprogram/dist');
  const required = require(path.join(installed, 'index.js'));
  const imported = await import(path.join(installed, 'index.mjs'));
  assert.deepEqual(Object.keys(required), Object.keys(imported));
});

test('TypeScript takes its types', () => {
  const dist = path.join(project, 'node_modules/caddypay-miniprogram/dist');
  for (const file of fs.readdirSync(dist).filter((name) => name.endsWith('.d.ts'))) {
    assert.doesNotMatch(fs.readFileSync(path.join(dist, file), 'utf8'), /export type \*|<const /, `${file}: TypeScript 4 does not know it`);
  }
  for (const resolution of ['bundler', 'nodenext']) {
    execFileSync(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '--noEmit', '--strict', '--target', 'es2017',
      '--module', resolution === 'bundler' ? 'esnext' : 'nodenext', '--moduleResolution', resolution, '--types', '', 'shop.ts'], { cwd: project, stdio: 'inherit' });
  }
});
