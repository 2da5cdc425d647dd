/**
 * Where this package lies, as a URL that ends in a slash: the files of the runtime are built into few, so that none of them
 * knows its own place. Undefined when they were bundled into a program, unless that lies in a folder named `dist` or `src`,
 * which is then taken for this package's.
 */
export const PACKAGE_ROOT = /^(file:\/\/.*\/)(?:dist|src)\/[^?#]*$/.exec(import.meta.url)?.[1]
