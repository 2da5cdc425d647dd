import { expect, test } from 'vitest'
import * as troupe from '../../src/index.js'

// A name that comes or goes is a change for users: it belongs into the change log, and here.

test('the package exports these values, and no others', () => {
  expect(Object.keys(troupe).sort()).toEqual([
    'BootError',
    'CallAbortedError',
    'CallCycleError',
    'CallTimeoutError',
    'ClusterClosedError',
    'MailboxFullError',
    'MethodKindError',
    'NoSuchMethodError',
    'NoSuchWorkerError',
    'PayloadError',
    'ReloadError',
    'RemoteError',
    'TroupeError',
    'UsageError',
    'ValidationError',
    'WorkerGoneError',
    'WorkerUnavailableError',
    'channel',
    'createCluster',
    'currentCall',
    'declareError',
    'isPrimary',
    'joinCluster',
    'method',
  ])
})
