import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { runSeed } from './run-seed.js'

vi.setConfig({ testTimeout: 120_000 })

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

async function digest(seed: number): Promise<string> {
  const { trace } = await runSeed(seed)
  return createHash('sha256').update(trace()).digest('hex')
}

describe('the same seed', () => {
  test('has the same trace, to the byte, whatever ran before it', async () => {
    const first = await digest(7)
    await digest(8)
    expect(await digest(7)).toBe(first)
    expect(await digest(8)).not.toBe(first)
  })

  test('has the same trace in another process', async () => {
    const program = `
      const { runSeed } = await import('./test/sim/run-seed.ts')
      const { createHash } = await import('node:crypto')
      for (const seed of [21, 22, 23]) console.log(createHash('sha256').update((await runSeed(seed)).trace()).digest('hex'))`
    const { stdout } = await run(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      cwd: root,
    })
    const here: string[] = []
    for (const seed of [21, 22, 23]) here.push(await digest(seed))
    expect(stdout.trim().split('\n')).toEqual(here)
  })
})
