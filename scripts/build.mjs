// Compiles the library into dist/, and with `--fixtures` the test programs into build/fixtures/ as well.
//
// The compiler checks, and writes the library's declarations. What runs is bundled: node takes four times as long to find,
// read and link two hundred small modules as to load the few files that esbuild makes of them, and every worker waits for that.
//
// A target is compiled only when it has to be: its stamp holds a hash of what went in and of what came out, so neither
// an edited source nor a hand-made change in dist goes unnoticed. Contents are compared because git sets file times as it likes.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildSync } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * @typedef {object} Target
 * @property {string} name what the reader of the output knows it by
 * @property {string} config the TypeScript project
 * @property {string} source the folder that is compiled
 * @property {string} output the folder it goes to
 * @property {string[]} alsoReads what else decides the outcome
 * @property {string[]} [modules] sources that are imported by name: bundled, with what they share in files of its own
 * @property {string} [preload] what `--require` loads into every worker: one file that needs no other
 */

/** @type {Target} */
const library = {
  name: 'dist',
  config: 'tsconfig.build.json',
  source: 'src',
  output: 'dist',
  alsoReads: ['scripts/build.mjs', 'tsconfig.base.json', 'package.json', 'package-lock.json'],
  modules: ['src/index.ts', 'src/testing/index.ts'],
  preload: 'src/preload/index.ts',
}

/** @type {Target} */
const fixtures = {
  name: 'build/fixtures',
  config: 'test/cluster/fixtures/tsconfig.json',
  source: 'test/cluster/fixtures',
  output: 'build/fixtures',
  // The declarations they are checked against.
  alsoReads: ['dist', 'tsconfig.base.json', 'package.json', 'package-lock.json'],
}

/**
 * Brings dist (and the fixtures) up to date.
 * @param {{ fixtures?: boolean, onBuild?: (name: string) => void }} [options]
 * @throws {Error} when the compiler refuses; its diagnostics have been printed by then
 */
export function build(options = {}) {
  for (const target of options.fixtures ? [library, fixtures] : [library]) {
    if (isFresh(target)) continue
    options.onBuild?.(target.name)
    compile(target)
  }
}

/** @param {Target} target */
function compile(target) {
  if (listFiles(target.source).filter((file) => file.endsWith('.ts')).length === 0) {
    if (target === fixtures) return
    throw new Error(`Cannot build ${target.name}: ${target.source}/ has no TypeScript files`)
  }
  // Taken first: an edit made while the compiler runs must count as newer than its output.
  const before = inputHash(target)
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const { status, error } = spawnSync(process.execPath, [compiler, '-p', target.config], {
    cwd: root,
    stdio: 'inherit',
  })
  if (error) throw new Error(`Cannot build ${target.name}: ${error.message}`)
  if (status !== 0) throw new Error(`Cannot build ${target.name}: the TypeScript compiler reported errors (see above)`)
  removeOrphans(target, bundle(target))
  mkdirSync(join(root, 'build'), { recursive: true })
  writeFileSync(stampFile(target), stamp(before, target))
}

/**
 * Gives the files that it wrote, if there was anything to bundle.
 * @param {Target} target
 */
function bundle({ modules, preload, source, output }) {
  if (!modules || !preload) return undefined
  /** @type {import('esbuild').BuildOptions & { metafile: true }} */
  const options = {
    absWorkingDir: root,
    outbase: source,
    outdir: output,
    bundle: true,
    platform: 'node',
    // What package.json says is the oldest.
    target: 'node20.19',
    packages: 'external',
    sourcemap: true,
    metafile: true,
    logLevel: 'warning',
  }
  const bundles = [
    buildSync({ ...options, entryPoints: modules, format: 'esm', splitting: true, chunkNames: 'shared/[hash]' }),
    buildSync({ ...options, entryPoints: [preload], format: 'cjs', outExtension: { '.js': '.cjs' } }),
  ]
  return new Set(bundles.flatMap(({ metafile }) => Object.keys(metafile.outputs)))
}

/**
 * Deletes the output of sources that are gone. The folder is not emptied first, because programs may be running from it.
 * @param {Target} target
 * @param {Set<string>} [bundled] the only scripts, where there are bundles
 */
function removeOrphans(target, bundled) {
  for (const file of listFiles(target.output)) {
    if (bundled && /\.c?js(\.map)?$/.test(file)) {
      if (!bundled.has(file)) rmSync(join(root, file))
      continue
    }
    const stem = relative(target.output, file).replace(/(\.d\.ts|\.js)(\.map)?$/, '')
    if (!existsSync(join(root, target.source, `${stem}.ts`))) rmSync(join(root, file))
  }
}

/** @param {Target} target */
function isFresh(target) {
  const file = stampFile(target)
  return existsSync(file) && readFileSync(file, 'utf8') === stamp(inputHash(target), target)
}

/** @param {Target} target */
const stampFile = (target) => join(root, 'build', `${target.name.replace('/', '-')}.stamp`)

/** @param {string} input @param {Target} target */
const stamp = (input, target) => `in ${input}\nout ${hash(listFiles(target.output))}\n`

/** @param {Target} target */
const inputHash = (target) => hash([target.config, target.source, ...target.alsoReads].flatMap(listFiles))

/** @param {string[]} files */
function hash(files) {
  const sum = createHash('sha256')
  for (const file of files) {
    const content = readFileSync(join(root, file))
    sum.update(`${file}\n${content.length}\n`).update(content)
  }
  return sum.digest('hex')
}

/**
 * A file, or all files below a folder, sorted; nothing when it does not exist.
 * @param {string} path relative to the root
 * @returns {string[]}
 */
function listFiles(path) {
  const absolute = join(root, path)
  if (!existsSync(absolute)) return []
  if (statSync(absolute).isFile()) return [path]
  return readdirSync(absolute)
    .sort()
    .flatMap((entry) => listFiles(join(path, entry)))
}

if (process.argv[1] && pathToFileURL(resolve(process.argv[1])).href === import.meta.url) {
  try {
    build({ fixtures: process.argv.includes('--fixtures'), onBuild: (name) => console.log(`build: compiling ${name}`) })
  } catch (error) {
    console.error(`build: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
}
