export { type TypeormOptions, typeorm } from "./participant/adapters/typeorm.ts";
