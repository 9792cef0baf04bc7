/**
 * Kysely and the ORMs begin DEFERRED. A body that reads first and writes then would be refused at its first write whenever
 * another connection has written in between (D5), so the write lock is taken before the body: this pragma opens a write
 * transaction, and frees at most one page where auto_vacuum is incremental, else nothing.
 */
export const takeWriteLock = "PRAGMA incremental_vacuum(1)";
