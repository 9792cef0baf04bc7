export { type XxlExecutor, xxlExecutor } from "./executor/xxl-job/executor.ts";
export {
  type ExecutionLine,
  type RunnableScript,
  type XxlApp,
  type XxlContext,
  type XxlFunction,
  type XxlFunctionOptions,
  type XxlHandler,
  type XxlJobOptions,
  type XxlRun,
  xxlHandler,
} from "./executor/xxl-job/handler.ts";
export type { XxlExecutorOptions } from "./executor/xxl-job/options.ts";
export { type XxlCenter, type XxlCenterOptions, xxlCenter } from "./server/xxl-job-center.ts";
