import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.js'

// What README shows, run and compiled as it stands there.

const root = new URL('../../', import.meta.url)
// Inside the package, so that 'troupe' means this package.
const folder = new URL('build/readme/', root)

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
})

/** The code block of README whose first line is `// name`. */
function block(name: string): string {
  const readme = readFileSync(new URL('README.md', root), 'utf8')
  const match = new RegExp(`\`\`\`(?:js|ts)\\n(// ${name.replace('.', '\\.')}\\n[^]*?)\`\`\``).exec(readme)
  if (!match?.[1]) throw new Error(`README has no block that begins with "// ${name}"`)
  return match[1]
}

describe('the worked example of README', () => {
  let program: ChildProcess | undefined
  afterEach(() => program?.kill('SIGKILL'))

  it('prints the sum, and every worker hears of every greeting', async () => {
    const port = await freePort()
    const file = new URL('server.mjs', folder)
    writeFileSync(file, block('server.mjs').replaceAll('8000', String(port)))
    program = spawn(process.execPath, [fileURLToPath(file)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    program.stdout?.on('data', (chunk) => {
      output += chunk
    })
    await expect.poll(() => output, { timeout: 20_000 }).toContain('The sum from worker 2: 42')
    const greet = async (): Promise<string> => {
      try {
        return await (await fetch(`http://localhost:${port}`)).text()
      } catch {
        return 'not listening yet'
      }
    }
    await expect
      .poll(greet, { timeout: 20_000 })
      .toMatch(/^Hello from worker [12]\nworker 1 has heard of 1 greetings\nworker 2 has heard of 1 greetings\n$/)
    const exit = new Promise((resolve) => program?.once('exit', (code) => resolve(code)))
    program.kill('SIGTERM')
    expect(await exit).toBe(0)
  })
})

describe('the typed example of README', () => {
  const files = ['contract.ts', 'worker.ts', 'primary.ts']

  function compile(change: (name: string, text: string) => string): string {
    for (const name of files) writeFileSync(new URL(name, folder), change(name, block(name)))
    writeFileSync(
      new URL('tsconfig.json', folder),
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2023',
          strict: true,
          noEmit: true,
          types: ['node'],
          lib: ['es2023', 'esnext.disposable'],
        },
        files,
      }),
    )
    const tsc = fileURLToPath(new URL('node_modules/typescript/bin/tsc', root))
    try {
      return execFileSync(process.execPath, [tsc, '-p', fileURLToPath(folder)], { encoding: 'utf8' })
    } catch (error) {
      return (error as { stdout: string }).stdout
    }
  }

  it('compiles', () => {
    expect(compile((_name, text) => text)).toBe('')
  })

  it('does not compile with a wrong method, argument or payload', () => {
    expect(compile((_name, text) => text.replace(".price('tea')", ".prise('tea')"))).toContain('prise')
    expect(compile((_name, text) => text.replace(".price('tea')", '.price(1)'))).toContain('TS2345')
    expect(compile((_name, text) => text.replace("{ sku: 'tea', cents: 450 }", "{ sku: 'tea' }"))).toContain('cents')
  })
})
