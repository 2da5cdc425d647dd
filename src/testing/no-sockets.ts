import type { Sockets } from '../runtime/connections/sockets.js'

/** EOPNOTSUPP, as node writes errnos. */
const NOT_SUPPORTED = -95

/** The sockets of a machine without a network: a simulation is of processes and messages, and nobody connects. */
export const noSockets: Sockets = {
  descriptors: { isReserved: () => false, areShort: () => false },
  listen: () => NOT_SUPPORTED,
  read: () => ({ stop() {} }),
  refuse: (connection) => connection.close(),
}
