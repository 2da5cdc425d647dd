/**
 * Where this package lies, as a URL that ends in a slash: the files of the runtime are built into few, so that none of them
 * knows its own place. Undefined when they were bundled into a program.
 */
export const PACKAGE_ROOT = /^(file:\/\/.*\/)(?:dist|src)\/[^?#]*$/.exec(import.meta.url)?.[1]
