import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { ClusterOptions } from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.js'
import { endAll, fixture, Program, startCluster, temporaryFolder } from '../support/processes.js'
import type { Contract } from './fixtures/sup-worker.js'

afterEach(endAll)

/** What a worker says of its own process when it was started with these options. */
async function processWith(options: ClusterOptions<Contract>) {
  const cluster = await startCluster<Contract>({ exec: fixture('sup-worker'), workers: 1, ...options })
  return await cluster.call(1, 'process', [])
}

const worker = fileURLToPath(fixture('sup-worker'))
const PRELOAD = fileURLToPath(new URL('../../dist/preload/index.cjs', import.meta.url))

describe("the options of node's setupPrimary reach the workers:", () => {
  it('exec as a path', async () => {
    expect((await processWith({ exec: worker })).argv[1]).toBe(worker)
  })

  it('exec as a path relative to cwd, and cwd', async () => {
    const cwd = dirname(dirname(worker))
    const found = await processWith({ exec: relative(cwd, worker), cwd })
    expect(found.argv[1]).toBe(worker)
    expect(found.cwd).toBe(cwd)
  })

  it('exec as a URL with characters that a URL escapes', async () => {
    const folder = join(temporaryFolder(), 'a folder with 100% ünïcode')
    mkdirSync(folder)
    const file = join(folder, 'worker.mjs')
    writeFileSync(file, `import ${JSON.stringify(fixture('sup-worker').href)}\n`)
    for (const exec of [pathToFileURL(file), pathToFileURL(file).href, file]) {
      const cluster = await startCluster<Contract>({ exec, workers: 1 })
      expect((await cluster.call(1, 'process', [])).argv[1]).toBe(file)
      await cluster.stop()
    }
  })

  it('exec is the running file by default, with its arguments and its execArgv', async () => {
    const program = new Program(fixture('sup-self'), ['--colour', 'a b'], { execArgv: ['--stack-trace-limit=7'] })
    const { answer } = (await program.line('answer')) as {
      answer: { file: string; args: string[]; execArgv: string[] }
    }
    expect(answer.file).toBe(fileURLToPath(fixture('sup-self')))
    expect(answer.args).toEqual(['--colour', 'a b'])
    expect(answer.execArgv).toContain('--stack-trace-limit=7')
    expect(await program.ended).toEqual({ code: 0, signal: null })
  })

  it('args', async () => {
    const args = ['first', '--second=2', 'with a space', '']
    expect((await processWith({ args })).argv.slice(2)).toEqual(args)
  })

  it("execArgv, the user's own --import and --require next to the preload, and before it", async () => {
    const folder = temporaryFolder()
    const marker = (name: string): string => `(globalThis.marks ??= []).push('${name}')\n`
    writeFileSync(join(folder, 'import.mjs'), marker('import'))
    writeFileSync(join(folder, 'require.cjs'), marker('require'))
    const execArgv = [
      '--import',
      join(folder, 'import.mjs'),
      '--require',
      join(folder, 'require.cjs'),
      '--max-old-space-size=99',
    ]
    const found = await processWith({ execArgv })
    expect(found.execArgv.slice(0, 5)).toEqual(execArgv)
    expect(found.execArgv.slice(5)).toEqual(['--require', PRELOAD])
    expect(found.marks.sort()).toEqual(['import', 'require'])
  })

  it('env, added to the environment of the primary, with undefined taking a variable away', async () => {
    process.env.SUP_INHERITED = 'from the primary'
    process.env.SUP_REMOVED = 'to be removed'
    const found = await processWith({ env: { SUP_ADDED: 'a=b c', SUP_REMOVED: undefined, SUP_EMPTY: '' } })
    delete process.env.SUP_INHERITED
    delete process.env.SUP_REMOVED
    expect(found.env).toMatchObject({ SUP_INHERITED: 'from the primary', SUP_ADDED: 'a=b c', SUP_EMPTY: '' })
    expect(found.env).not.toHaveProperty('SUP_REMOVED')
    expect(Object.keys(found.env).filter((name) => name.startsWith('TROUPE'))).toEqual([])
  })

  it('inspectPort, as a number and as a function', async () => {
    for (const choose of [(port: number) => port, (port: number) => () => port]) {
      const port = await freePort()
      const cluster = await startCluster<Contract>({
        exec: fixture('sup-worker'),
        workers: 1,
        execArgv: ['--inspect'],
        inspectPort: choose(port),
      })
      const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as { url: string }[]
      expect(targets.map(({ url }) => url)).toEqual([fixture('sup-worker').href])
      await cluster.stop()
    }
  })

  it('windowsHide is accepted, and changes nothing here', async () => {
    expect((await processWith({ windowsHide: true })).argv[1]).toBe(worker)
  })
})

describe('the output of workers', () => {
  /** What a primary's own stdout and stderr show of a worker that prints to both, and of the exit event's tail. */
  async function outputWith(options: ClusterOptions) {
    const program = new Program(fixture('sup-output'), [JSON.stringify(options)])
    const { exit, piped } = (await program.line('exit')) as { exit: string; piped: string }
    await program.ended
    const shown = program.stdout.split('\n').filter((line) => line === 'printed').length
    return { stdout: shown, stderr: program.stderr, exit, piped }
  }

  it("by default: stdout is the primary's own, stderr is passed on and kept for the exit event", async () => {
    const seen = await outputWith({})
    expect(seen).toEqual({
      stdout: 1,
      stderr: 'printed\nlast words before exit\n',
      exit: 'printed\nlast words before exit\n',
      piped: '',
    })
  })

  it('with silent: true is piped to the primary, shown nowhere, and stderr is kept for the exit event', async () => {
    const seen = await outputWith({ silent: true })
    expect(seen).toEqual({ stdout: 0, stderr: '', exit: 'printed\nlast words before exit\n', piped: 'printed\n' })
  })

  it('with stdio goes where that says', async () => {
    expect(await outputWith({ stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })).toEqual({
      stdout: 1,
      stderr: 'printed\nlast words before exit\n',
      exit: '',
      piped: '',
    })
    expect(await outputWith({ stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })).toEqual({
      stdout: 0,
      stderr: '',
      exit: '',
      piped: '',
    })
  })
})

describe('uid and gid', () => {
  const NOBODY = 65_534

  it('are those of the worker', async ({ skip }) => {
    skip(process.getuid?.() !== 0, 'only root may start a process as another user')
    // The other user cannot read root's folders: the package, the programs and node go to where everybody can.
    const folder = join(temporaryFolder(), 'app')
    const [primary, node] = copyEverything(folder)
    const program = new Program(primary, [String(NOBODY)], { execPath: node })
    expect(await program.line('worker')).toEqual({ worker: { uid: NOBODY, gid: NOBODY, cwd: '/' }, primary: 0 })
    expect(await program.ended).toEqual({ code: 0, signal: null })
  })

  it('that may not be taken end the start with an error that says so', async () => {
    const error = await startCluster({ exec: fixture('sup-worker'), workers: 1, uid: 4_294_967_295 }).catch(
      (reason: unknown) => reason,
    )
    expect(error).toMatchObject({ code: 'ERR_BOOT' })
    expect(String(error)).toMatch(/Worker 1 could not be started: /)
  })

  /** The library, what it needs, and programs that use it, as an install would lay them out, readable for all. */
  function copyEverything(folder: string): [primary: string, node: string] {
    const root = fileURLToPath(new URL('../..', import.meta.url))
    const modules = join(folder, 'node_modules')
    mkdirSync(join(modules, 'troupe'), { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    cpSync(join(root, 'dist'), join(modules, 'troupe/dist'), { recursive: true })
    copyFileSync(join(root, 'package.json'), join(modules, 'troupe/package.json'))
    for (const name of dependenciesOf(root)) {
      cpSync(join(root, 'node_modules', name), join(modules, name), { recursive: true, dereference: true })
    }
    copyFileSync(fileURLToPath(fixture('sup-worker')), join(folder, 'worker.js'))
    copyFileSync(fileURLToPath(fixture('sup-user')), join(folder, 'primary.js'))
    copyFileSync(process.execPath, join(folder, 'node'))
    execFileSync('chmod', ['-R', 'a+rX', dirname(folder)])
    return [join(folder, 'primary.js'), join(folder, 'node')]
  }

  /** Names of the packages that a package needs, and that those need; npm has laid them out side by side. */
  function dependenciesOf(folder: string): string[] {
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>
    }
    const modules = fileURLToPath(new URL('../../node_modules', import.meta.url))
    return Object.keys(dependencies).flatMap((name) => [name, ...dependenciesOf(join(modules, name))])
  }
})
