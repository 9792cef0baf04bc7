import { CodedError } from "../index.ts";
import { UsageError } from "./usage-error.ts";

const refusals: readonly string[] = ["OPTION_INVALID", "CRON_INVALID", "JOB_NAME_INVALID"];

/** What the library refuses of what was written on the command line is a mistake of usage: exit code 2. */
export async function asUsage<T>(run: () => Promise<T> | T): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof CodedError) || !refusals.includes(error.code)) throw error;
    throw new UsageError(`${error.code}: ${error.message}`, { cause: error });
  }
}
