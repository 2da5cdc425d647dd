import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

// The package as a user gets it: packed, installed from the tarball into an empty project, and used from there.

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

let folder: string
let project: string
let packed: string[]

beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'troupe-package-')))
  project = join(folder, 'project')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'a-service', private: true, type: 'module' }))
  // Global setup has built dist.
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: root,
  })
  const [tarball]: { filename: string; files: { path: string }[] }[] = JSON.parse(stdout)
  if (!tarball) throw new Error(`npm pack made nothing: ${stdout}`)
  packed = tarball.files.map((file) => file.path)
  await run('npm', ['install', '--no-audit', '--no-fund', join(folder, tarball.filename)], { cwd: project })
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the package has what it needs and nothing else', () => {
  expect(packed).toEqual(
    expect.arrayContaining(['package.json', 'README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts']),
  )
  expect(packed.filter((path) => !/^(dist\/|package\.json$|README\.md$|CHANGELOG\.md$|LICENSE$)/.test(path))).toEqual(
    [],
  )
})

test('exports the public names', async () => {
  const program = 'console.log(Object.keys(await import("troupe")).join())'
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { cwd: project })
  const names = stdout.trim().split(',')
  expect(names).toEqual(
    expect.arrayContaining(['channel', 'createCluster', 'currentCall', 'isPrimary', 'joinCluster', 'method']),
  )
})

test('a plain JavaScript program calls a worker', async () => {
  writeFileSync(
    join(project, 'service.js'),
    `import { createCluster, isPrimary, joinCluster } from 'troupe'

if (isPrimary) {
  const cluster = await createCluster({ workers: 2 })
  console.log(await cluster.call(1, 'add', [1, 2]))
  await cluster.stop()
} else {
  await joinCluster({ add: (a, b) => a + b })
}
`,
  )
  const { stdout } = await run(process.execPath, ['service.js'], {
    cwd: project,
    timeout: 30_000,
    killSignal: 'SIGKILL',
  })
  expect(stdout).toBe('3\n')
})

describe.each([
  ['nodenext', 'nodenext'],
  ['bundler', 'esnext'],
])('with moduleResolution %s', (moduleResolution, module) => {
  const program = (argument: string) => `import { createCluster, isPrimary, joinCluster } from 'troupe'

const methods = { add: (a: number, b: number) => a + b }
interface Contract { worker: typeof methods; primary: object }

if (isPrimary) {
  const cluster = await createCluster<Contract>({ workers: 2 })
  const sum: number = await cluster.call(1, 'add', [1, ${argument}])
  console.log(sum)
  await cluster.stop()
} else {
  await joinCluster<Contract>(methods)
}
`

  const check = (name: string, argument: string) => {
    const file = `${name}-${moduleResolution}.ts`
    writeFileSync(join(project, file), program(argument))
    const options = ['--noEmit', '--strict', '--target', 'es2023', '--lib', 'es2023,esnext.disposable']
    // The project has no types of its own: Node's come from this repository.
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')]
    const resolution = ['--module', module, '--moduleResolution', moduleResolution]
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    return run(process.execPath, [compiler, '--ignoreConfig', ...options, ...resolution, ...types, file], {
      cwd: project,
    })
  }

  test('a TypeScript program compiles', async () => {
    await expect(check('right', '2')).resolves.toMatchObject({ stdout: '' })
  })

  test('a wrong argument does not', async () => {
    await expect(check('wrong', "'two'")).rejects.toMatchObject({ stdout: expect.stringContaining('TS2322') })
  })
})
