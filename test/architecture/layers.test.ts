import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ICruiseResult, IViolation } from 'dependency-cruiser'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

// The layer rules guard src/; these tests guard the rules. Each example is a small tree that breaks one rule on purpose.

const root = fileURLToPath(new URL('../..', import.meta.url))
const config = join(root, '.dependency-cruiser.cjs')
const cruiser = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
const rules: { forbidden: { name: string }[] } = createRequire(import.meta.url)(config)

interface Example {
  rule: string
  what: string
  /** The file that must be blamed, and what it imports. */
  from: string
  imports: string
  /** A type may be imported from there. */
  isForValues?: boolean
}

const examples: Example[] = [
  { rule: 'no-cycles', what: 'two files import each other', from: 'src/protocol/cycle-a.ts', imports: './cycle-b.js' },
  {
    rule: 'protocol-is-pure',
    what: 'protocol imports a Node module',
    from: 'src/protocol/uses-node.ts',
    imports: 'node:crypto',
  },
  {
    rule: 'protocol-is-pure',
    what: 'protocol imports the runtime',
    from: 'src/protocol/uses-runtime.ts',
    imports: '../runtime/clock.js',
  },
  {
    rule: 'protocol-is-pure',
    what: 'protocol imports a package',
    from: 'src/protocol/uses-package.ts',
    imports: 'some-package',
  },
  ...['messaging', 'supervision', 'connections', 'placement', 'evidence', 'transports'].flatMap((part) =>
    ['../primary.js', '../worker.js', '../../index.js'].map((imports) => ({
      rule: 'parts-below-roots',
      what: `${part} imports ${imports}`,
      from: `src/runtime/${part}/reaches-for-${imports.replace(/\W/g, '')}.ts`,
      imports,
    })),
  ),
  {
    rule: 'parts-below-roots',
    what: 'a part imports the preload',
    from: 'src/runtime/connections/uses-preload.ts',
    imports: '../../preload/index.js',
  },
  {
    rule: 'parts-below-roots',
    what: 'a file beside the roots imports one of them',
    from: 'src/runtime/emitter.ts',
    imports: './primary.js',
  },
  {
    rule: 'nothing-imports-index',
    what: 'a root imports the public surface',
    from: 'src/runtime/worker.ts',
    imports: '../index.js',
  },
  ...['messaging', 'supervision', 'connections'].flatMap((part) =>
    ['messaging', 'supervision', 'connections']
      .filter((other) => other !== part)
      .map((other) => ({
        rule: 'parts-do-not-know-each-other',
        what: `${part} imports ${other}`,
        from: `src/runtime/${part}/knows-${other}.ts`,
        imports: `../${other}/part.js`,
      })),
  ),
  {
    rule: 'placement-is-pure',
    what: 'placement imports another part',
    from: 'src/runtime/placement/uses-evidence.ts',
    imports: '../evidence/part.js',
  },
  {
    rule: 'placement-is-pure',
    what: 'placement imports a Node module',
    from: 'src/runtime/placement/uses-node.ts',
    imports: 'node:crypto',
  },
  ...['src/runtime/supervision/slots.ts', 'src/runtime/transports/ipc.ts', 'src/runtime/clock.ts'].map((from) => ({
    rule: 'sole-importers-of-cluster',
    what: `${from} imports node:cluster`,
    from,
    imports: 'node:cluster',
  })),
  {
    rule: 'sole-importers-of-cluster',
    what: 'without the node: prefix',
    from: 'src/runtime/evidence/without-prefix.ts',
    imports: 'cluster',
  },
  ...['net', 'http', 'https', 'http2', 'tls'].map((name) => ({
    rule: 'sole-importers-of-network',
    what: `messaging imports node:${name}`,
    from: `src/runtime/messaging/uses-${name}.ts`,
    imports: `node:${name}`,
  })),
  ...['http', 'https', 'http2', 'crypto'].map((name) => ({
    rule: 'slow-builtins-on-demand',
    what: `connections import node:${name}`,
    from: `src/runtime/connections/uses-${name}.ts`,
    imports: `node:${name}`,
    isForValues: true,
  })),
  {
    rule: 'library-stands-alone',
    what: 'src imports a test',
    from: 'src/runtime/evidence/uses-test.ts',
    imports: '../../../test/support/fake.js',
  },
  {
    rule: 'library-stands-alone',
    what: 'src imports an example',
    from: 'src/runtime/evidence/uses-example.ts',
    imports: '../../../examples/chat/main.js',
  },
  {
    rule: 'no-development-dependencies',
    what: 'src imports a development dependency',
    from: 'src/runtime/evidence/uses-dev.ts',
    imports: 'some-package',
  },
  {
    rule: 'every-import-resolves',
    what: 'an import leads nowhere',
    from: 'src/runtime/evidence/leads-nowhere.ts',
    imports: './nobody.js',
  },
]

/** What a sound library has: one use of everything that is allowed only somewhere. */
const soundTree: Record<string, string> = {
  'package.json': JSON.stringify({
    name: 'troupe',
    type: 'module',
    devDependencies: { 'some-package': '1.0.0' },
  }),
  ...fakePackage('some-package'),
  'test/support/fake.ts': 'export {}',
  'examples/chat/main.ts': 'export {}',
  'src/index.ts': "import './runtime/primary.js'\nimport './runtime/worker.js'",
  'src/preload/index.ts': "import 'node:cluster'\nimport 'node:net'\nimport '../runtime/connections/part.js'",
  'src/runtime/primary.ts':
    "import './messaging/part.js'\nimport './supervision/launcher.js'\nimport './connections/part.js'",
  'src/runtime/worker.ts': "import './messaging/part.js'\nimport './transports/part.js'",
  'src/runtime/clock.ts': 'export {}',
  'src/runtime/messaging/part.ts': "import '../placement/part.js'\nimport '../clock.js'",
  'src/runtime/supervision/part.ts': "import 'node:child_process'",
  'src/runtime/supervision/launcher.ts': "import 'node:cluster'\nimport './part.js'",
  'src/runtime/connections/part.ts': "import 'node:net'\nimport 'node:tls'\nimport type {} from 'node:http'",
  'src/runtime/placement/part.ts': "import '../../protocol/payload.js'",
  'src/runtime/evidence/part.ts': "import '../../protocol/payload.js'",
  'src/runtime/transports/part.ts': "import '../../protocol/payload.js'",
  'src/protocol/payload.ts': "import type {} from './ids.js'",
  'src/protocol/ids.ts': 'export {}',
}

function fakePackage(name: string): Record<string, string> {
  return {
    [`node_modules/${name}/package.json`]: JSON.stringify({ name, version: '1.0.0', main: 'index.js' }),
    [`node_modules/${name}/index.js`]: '',
  }
}

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'troupe-layers-'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function write(name: string, files: Record<string, string>): string {
  const tree = join(folder, name)
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), `${content}\n`)
  }
  return tree
}

/** Runs the very command of `npm run check:layers`, but for the form of its report. */
async function cruise(tree: string): Promise<ICruiseResult> {
  const args = [cruiser, '--config', config, '--output-type', 'json', 'src']
  // With this reporter the exit code is the number of errors, and the report is on stdout in any case.
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: tree,
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: { stdout: string; stderr: string }) => {
    if (error.stdout) return error
    throw error
  })
  return JSON.parse(stdout)
}

const describeViolation = (violation: IViolation) => `${violation.rule.name}: ${violation.from} -> ${violation.to}`

test('accepts a library that keeps to the layers', async () => {
  const { summary } = await cruise(write('sound', soundTree))
  expect(summary.violations.map(describeViolation)).toEqual([])
  expect(summary.error).toBe(0)
})

describe.each(['import', 'import type'])('with `%s`', (form) => {
  let violations: IViolation[]

  beforeAll(async () => {
    const files: Record<string, string> = { ...soundTree, 'src/protocol/cycle-b.ts': "import './cycle-a.js'" }
    for (const { from, imports } of examples) {
      files[from] =
        `${files[from] ?? ''}\n${form === 'import' ? `import '${imports}'` : `import type {} from '${imports}'`}`
    }
    violations = (await cruise(write(form.replace(' ', '-'), files))).summary.violations
  })

  test.each(examples)('$rule: $what', ({ rule, from, imports, isForValues }) => {
    const target =
      imports
        .replace(/^node:/, '')
        .split('/')
        .at(-1)
        ?.replace(/\.js$/, '') ?? imports
    const found = violations.filter((violation) => violation.rule.name === rule && violation.from === from)
    const fires = found.some((violation) => violation.to.includes(target))
    expect(fires).toBe(form === 'import' || !isForValues)
  })

  test('blames only the files that break a rule', () => {
    // index.ts is part of a cycle as soon as something imports it.
    const guilty = new Set([...examples.map((example) => example.from), 'src/protocol/cycle-b.ts', 'src/index.ts'])
    const blamed = violations.filter((violation) => violation.rule.name !== 'no-cycles').map(({ from }) => from)
    expect(blamed.filter((file) => !guilty.has(file))).toEqual([])
  })
})

test('every rule has an example that breaks it', () => {
  const broken = new Set(examples.map((example) => example.rule))
  expect(rules.forbidden.map((rule) => rule.name).filter((name) => !broken.has(name))).toEqual([])
})

test('reads every source file of the library', async () => {
  const { modules } = await cruise(root)
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  )
  expect(sources).not.toEqual([])
  expect(modules.map((module) => module.source)).toEqual(expect.arrayContaining(sources.map((file) => `src/${file}`)))
  // It reads them all, which takes a busy machine its time.
}, 60_000)
