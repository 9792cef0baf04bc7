/**
 * With what Node runs the processes of every contender, and the foot of the tables says so. Pretenuring takes objects that
 * live as long as a commit for long-lived ones, and with them all that they refer to: see docs/performance.md.
 */
export const nodeFlags: readonly string[] = ["--no-allocation-site-pretenuring"];

/** Which say nothing of speed. */
const quietly = ["--disable-warning=ExperimentalWarning"];

export const execArgv: readonly string[] = [...quietly, ...nodeFlags];
