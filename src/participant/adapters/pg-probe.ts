// PostgreSQL refuses a savepoint where no transaction is open, and is none the worse for it. In one message, without parameters.
export const probeTransaction = "SAVEPOINT makegood_probe; RELEASE SAVEPOINT makegood_probe";
export const noTransaction = "25P01";
