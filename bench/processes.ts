import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ, which Linux has as 100 on every platform that Node supports. */
const TICKS_PER_SECOND = 100

/** User and system time that a process has used since its start, all threads of it, in seconds (proc(5), `stat`). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is a name in brackets, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** All that a process has started, and what those have started, as far as it lives (proc(5), `children`). */
export function descendants(pid: number): number[] {
  let listed = ''
  try {
    listed = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  } catch {
    // It has ended since.
  }
  const children = listed.split(' ').filter(Boolean).map(Number)
  return children.flatMap((child) => [child, ...descendants(child)])
}

/**
 * The same of its main thread and of all others that live, in milliseconds, by the scheduler's own count (`schedstat`): fine
 * enough for what takes less than a hundred ticks. Throws when there is no such process.
 */
export function cpuMilliseconds(pid: number): number {
  const folder = `/proc/${pid}/task`
  let nanoseconds = 0
  for (const task of readdirSync(folder))
    nanoseconds += Number(readFileSync(`${folder}/${task}/schedstat`, 'utf8').split(' ')[0])
  return nanoseconds / 1e6
}

/** Memory that no other process shares, in bytes (proc(5), `smaps_rollup`). */
export function privateBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(rollup)?.[1])
  return (kilobytes('Private_Clean') + kilobytes('Private_Dirty')) * 1_024
}
