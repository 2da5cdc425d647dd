import { afterEach, describe, expect, it } from 'vitest'
import { send } from '../support/connections.js'
import { freePort } from '../support/free-port.js'
import { endAll, fixture, SOON, sendSignal, startCluster, temporaryFolder } from '../support/processes.js'

afterEach(endAll)

/** Two workers with a port in common; each has a path of its own besides. */
async function start() {
  const port = await freePort()
  const folder = temporaryFolder()
  const cluster = await startCluster({
    exec: fixture('sup-worker'),
    env: { SUP_LISTEN: `${port},${folder}/%id.sock` },
    workers: 2,
    ready: 'listen',
  })
  const own = `${folder}/2.sock`
  const pidAt = async (place: string): Promise<number> => JSON.parse((await send(place)).body).pid
  await expect.poll(() => pidAt(own).catch(() => 0), SOON).toBe(cluster.workers.get(2)?.pid)
  return { cluster, port, own, pidAt }
}

describe('where one worker listens alone', () => {
  it('the socket is closed when that worker is taken away for good, and nobody is kept waiting there', async () => {
    const { cluster, port, own } = await start()
    await cluster.scale(1)
    await expect(send(own)).rejects.toMatchObject({ code: expect.stringMatching(/ENOENT|ECONNREFUSED/) })
    expect((await send(port)).status).toBe(200)
  })

  it('it stays open when that worker dies: whoever comes waits for its successor', async () => {
    const { cluster, own, pidAt } = await start()
    const { pid: dead } = cluster.workers.get(2)!
    const died = new Promise((resolve) => cluster.on('exit', resolve))
    sendSignal(dead, 'SIGKILL')
    await died
    expect(await pidAt(own)).toBe(cluster.workers.get(2)?.pid)
    expect(cluster.workers.get(2)?.pid).not.toBe(dead)
  })
})
