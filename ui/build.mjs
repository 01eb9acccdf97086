// Builds the page. `node build.mjs` writes dist/, which is committed and which the program embeds; `node build.mjs tests`
// bundles the tests into target/.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const common = {
  bundle: true, minify: true, legalComments: 'none', target: 'es2022', jsx: 'automatic', jsxImportSource: 'preact',
  charset: 'ascii', write: false, logLevel: 'warning',
};

async function text(entry, more = {}) {
  const { outputFiles } = await build({ ...common, ...more, entryPoints: [entry] });
  return outputFiles[0].text;
}

function hash(content) {
  return `'sha256-${createHash('sha256').update(content).digest('base64')}'`;
}

/** The policy of a page that is one file: its own script and style, by their hashes. */
function policy(script, style) {
  return `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; base-uri 'none'; form-action 'none'`;
}

function onePage(title, script, style, id) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(script, style)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<div id="app"></div>
<noscript>This page needs JavaScript.</noscript>
<script type="application/json" id="${id}">DATA_GOES_HERE</script>
<script>${script}</script>
</body>
</html>
`;
}

async function page() {
  rmSync('dist', { recursive: true, force: true });
  mkdirSync('dist');
  const style = (await text('src/style.css', { target: 'chrome120' })).trim();
  const app = (await text('src/app.tsx')).trim();
  const report = (await text('src/report.tsx')).trim();
  for (const script of [app, report]) {
    if (/<\/script|<!--/i.test(script)) throw new Error('a script would end inside of itself');
  }
  writeFileSync('dist/index.html', readFileSync('src/index.html'));
  writeFileSync('dist/icon.svg', readFileSync('src/icon.svg'));
  writeFileSync('dist/app.css', style);
  writeFileSync('dist/app.js', app);
  writeFileSync('dist/report.html', onePage('Ebb: simulation', report, style, 'simulation-data'));
  // Script and style are those of app.js and app.css: the program puts them in, so that they are there once.
  writeFileSync('dist/export.html', onePage('Ebb', app, style, 'data').replace(style, () => 'STYLE_GOES_HERE').replace(app, () => 'SCRIPT_GOES_HERE'));
}

async function tests() {
  for (const [from, to] of [['test', 'target/unit'], ['test/browser', 'target/browser']]) {
    const entries = readdirSync(from).filter((name) => name.endsWith('.test.ts')).map((name) => `${from}/${name}`);
    if (from === 'test') entries.push('test/drive.ts');
    await build({
      entryPoints: entries, outdir: to, bundle: true, platform: 'node', format: 'esm', target: 'node20', packages: 'external',
      jsx: 'automatic', jsxImportSource: 'preact', outExtension: { '.js': '.mjs' }, logLevel: 'warning',
    });
  }
}

await (process.argv[2] === 'tests' ? tests() : page());
