import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { BootError, type ClusterOptions } from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import {
  endAll,
  fixture,
  leftBehind,
  nobodyLeft,
  Program,
  startCluster,
  temporaryFolder,
} from '../support/processes.js'

afterEach(endAll)

/** A start that must fail. Gives the error once it has been checked that nothing is left of the start. */
async function failToStart(options: ClusterOptions): Promise<BootError> {
  const error = await startCluster({ workers: 2, ...options }).then(
    () => expect.unreachable('the cluster has started'),
    (reason: unknown) => reason,
  )
  expect(leftBehind()).toEqual([])
  expect(error).toBeInstanceOf(BootError)
  expect(error).toMatchObject({ code: 'ERR_BOOT', name: 'BootError' })
  return error as BootError
}

const boot = (...args: string[]): ClusterOptions => ({ exec: fixture('sup-boot'), args })

describe('createCluster rejects with a BootError that tells the last output, and leaves no process behind, when a worker', () => {
  it('has no program', async () => {
    const exec = join(temporaryFolder(), 'no-such-worker.js')
    const error = await failToStart({ exec })
    expect(error.message).toMatch(
      /^The workers could not be started\. Worker [12] exited with code 1 before it was ready\. Its last output:\n/,
    )
    expect(error.message).toContain(`Cannot find module '${exec}'`)
    expect(error.failures[0]).toMatchObject({
      reason: 'exited with code 1 before it was ready',
      pid: expect.any(Number),
    })
  })

  it('throws at its start', async () => {
    const error = await failToStart(boot('throw'))
    expect(error.message).toMatch(/exited with code 1 before it was ready/)
    expect(error.failures[0]?.output).toMatch(/^starting to throw\n/)
    expect(error.failures[0]?.output).toContain('Error: no configuration found')
    expect(error.failures[0]?.output).toContain('sup-boot.js')
  })

  it('does not parse', async () => {
    const exec = join(temporaryFolder(), 'worker.mjs')
    writeFileSync(exec, 'export const methods = {\n  resize(path) { return path }\n  oops\n')
    expect((await failToStart({ exec })).message).toMatch(/worker\.mjs:3\n {2}.*oops\n(?:.*\n)*.*SyntaxError/)
  })

  it('exits with code 0 before it is ready', async () => {
    const error = await failToStart(boot('exit', '0'))
    expect(error.failures[0]).toMatchObject({
      reason: 'exited with code 0 before it was ready',
      output: 'starting to exit\n',
    })
  })

  it('is not ready within timeouts.ready', async () => {
    const error = await failToStart({ ...boot('never'), timeouts: { ready: 2_500 } })
    expect(error.failures[0]).toMatchObject({
      reason: 'was not ready within 2500 ms (`timeouts.ready`): it has neither called `joinCluster` nor listened',
      output: 'starting to never\n',
    })
    expect(error.message).toContain('. Its last output:\n  starting to never')
  })

  it("does not call ready() in mode 'manual'", async () => {
    const error = await failToStart({ ...boot('never'), workers: 1, ready: 'manual', timeouts: { ready: 700 } })
    expect(error.failures[0]?.reason).toMatch(/`timeouts\.ready`\): it has not called `cluster\.ready\(\)`/)
  })

  it('blocks its event loop at its start', async () => {
    const error = await failToStart({ ...boot('block'), timeouts: { ready: 400, drain: 200, kill: 200 } })
    expect(error.failures[0]?.reason).toMatch(/was not ready within 400 ms/)
  })

  it('finds its port in use', async () => {
    const server = createServer().listen(0)
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const error = await failToStart({ ...boot('listen', String(port)), workers: 1 })
    expect(error.failures[0]?.output).toMatch(new RegExp(`EADDRINUSE.*${port}`))
    server.close()
  })

  it('fails after its siblings have become ready', async () => {
    const error = await failToStart({ ...boot('third-fails'), workers: 3, ready: 'manual' })
    expect(error.failures).toHaveLength(1)
    expect(error.failures[0]).toMatchObject({ id: 3 })
    expect(error.failures[0]?.output).toContain('three is too many')
  })

  it('dies after it was ready, while its siblings still start', async () => {
    const error = await failToStart({ ...boot('second-dies'), ready: 'manual' })
    expect(error.failures).toMatchObject([{ id: 2, reason: 'exited with code 4' }])
  })
})

describe('after a start that failed', () => {
  it('the next one can succeed, and nothing was told to be restarted', async () => {
    await failToStart(boot('throw'))
    const cluster = await startCluster({ exec: fixture('sup-worker'), workers: 1 })
    expect(cluster.workers.get(1)).toMatchObject({ state: 'ready' })
    await cluster.stop()
    await nobodyLeft()
  })

  it('a program that does not catch the error prints it, and ends with code 1', async () => {
    const program = new Program(fixture('sup-primary'), [
      JSON.stringify({ exec: './sup-boot.js', args: ['throw'], workers: 2 }),
    ])
    expect(await program.ended).toEqual({ code: 1, signal: null })
    expect(program.stderr).toMatch(/BootError: The workers could not be started\. Worker [12] exited with code 1/)
    expect(program.stderr).toContain('Error: no configuration found')
    await nobodyLeft()
  })
})
