/** `true` when two types are the same one: assignable both ways is not enough, and `any` equals only itself. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** `expectType<Equal<A, B>>()` fails to compile unless the types are equal. */
export declare function expectType<_Outcome extends true>(): void
