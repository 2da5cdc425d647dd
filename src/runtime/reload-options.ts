import { expectKnown, expectNumber, expectObject, expectPositiveInteger } from './expect.js'
import { checkSettings, readExec } from './options.js'
import type { ReloadPlan } from './supervision/reload.js'
import { MAX_DELAY } from './timer-queue.js'

/** The options of `reload()`. Those from `exec` to `env` replace what `createCluster`, or an earlier reload, was given. */
export interface ReloadOptions {
  /** How many new workers start at a time. Default 2. */
  readonly concurrency?: number | undefined
  /** How long all new workers must have been alive since the last one became ready, in ms; 0 is not at all. Default `timeouts.settle`. */
  readonly settle?: number | undefined
  readonly exec?: string | URL | undefined
  readonly args?: readonly string[] | undefined
  readonly execArgv?: readonly string[] | undefined
  /** The whole of the variables added to the primary's own; `{}` adds none. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/**
 * Checks everything before anything is started. What it gives has only what was given, and is the reload's own: the
 * settings are used for as long as the cluster lives.
 */
export function readReload(options: ReloadOptions): ReloadPlan {
  expectObject(options, 'options')
  expectKnown(options, ['concurrency', 'settle', 'exec', 'args', 'execArgv', 'env'], '')
  const { concurrency, settle, exec, args, execArgv, env } = options
  checkSettings({ args, execArgv, env })
  return {
    ...(concurrency !== undefined && { concurrency: expectPositiveInteger(concurrency, 'concurrency') }),
    ...(settle !== undefined && { settle: expectNumber(settle, 'settle', 0, MAX_DELAY) }),
    settings: {
      ...(exec !== undefined && { exec: readExec(exec) }),
      ...(args && { args: [...args] }),
      ...(execArgv && { execArgv: [...execArgv] }),
      ...(env && { env: { ...env } }),
    },
  }
}
