import type { AnyContract, UntypedContract } from '../protocol/contract.js'
import { UsageError } from '../protocol/errors.js'
import { claim } from './claim.js'
import { systemClock } from './clock.js'
import { NodeSockets } from './connections/node-sockets.js'
import { type ClusterOptions, readOptions } from './options.js'
import { withoutOwnFrames } from './own-frames.js'
import { buildPrimary, type PrimaryCluster } from './primary.js'
import { handleSignals } from './signals.js'
import { ClusterLauncher, isClusterWorker } from './supervision/launcher.js'
import { MeetingFolder } from './transports/meeting-folder.js'

/**
 * Starts the workers and resolves when every one is ready. Rejects with `BootError`, nothing left behind, when one fails.
 *
 * @throws {UsageError} for a wrong option, in a worker, on Windows, or while this process has a cluster already.
 */
export async function createCluster<C extends AnyContract = UntypedContract>(
  options: ClusterOptions<C> = {},
): Promise<PrimaryCluster<C>> {
  try {
    return await start<C>(options)
  } catch (error) {
    throw withoutOwnFrames(error)
  }
}

async function start<C extends AnyContract>(options: ClusterOptions<C>): Promise<PrimaryCluster<C>> {
  if (process.platform === 'win32')
    throw new UsageError(
      'troupe does not support Windows: the hand-over of connections and signals differs there. Use WSL',
    )
  if (isClusterWorker)
    throw new UsageError(
      'createCluster was called in a worker. Call joinCluster there; `isPrimary` tells the two apart',
    )
  if (claim.isHeld)
    throw new UsageError('This process has a cluster already. Stop it first, or change it with scale() and reload()')
  const { processes, signals, directLinks, logger, ...settings } = readOptions(options)
  claim.take()
  const clock = systemClock()
  const launcher = new ClusterLauncher({ processes, signals, directLinks, logger, clock, ...settings })
  const place = directLinks ? new MeetingFolder({ logger, made: (folder) => launcher.leavesBehind(folder) }) : undefined
  const { cluster, supervisor, boot } = buildPrimary<C>(settings, {
    clock,
    random: Math.random,
    launcher,
    sockets: new NodeSockets(clock),
    logger,
    place,
  })
  const release = signals ? handleSignals(supervisor, logger) : () => {}
  let booted = false
  void cluster.closed.then((end) => {
    claim.release()
    release()
    place?.close()
    launcher.close()
    // A boot that failed has rejected, and is the caller's to handle.
    if (end.reason === 'failed' && booted) process.exitCode = 1
  })
  await boot()
  booted = true
  return cluster
}
