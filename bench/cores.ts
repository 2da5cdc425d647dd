import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

const cores = availableParallelism()

/** Linux has it everywhere (util-linux). Without it, or with one core, all share what there is. */
const canPin = cores > 1 && spawnSync('taskset', ['--version']).error === undefined

export type Side = 'load' | 'servers'

const SIDES: Record<Side, string> = { load: `${cores - 1}`, servers: cores > 2 ? `0-${cores - 2}` : '0' }

let isPinned = canPin

/** Load and servers take turns on all cores, as on a machine that loads itself. */
export function shareCores(): void {
  isPinned = false
}

export function describeCores(): string {
  return isPinned ? `load on core ${SIDES.load}, servers on ${SIDES.servers}` : 'load and servers share all cores'
}

/**
 * The load has the last core for itself, as if it came from another machine: what it costs is the same for every candidate,
 * and time that it took from the servers would make them all look alike.
 */
export function onCores(side: Side, command: string, args: readonly string[]): [command: string, args: string[]] {
  return isPinned ? ['taskset', ['-c', SIDES[side], command, ...args]] : [command, [...args]]
}
