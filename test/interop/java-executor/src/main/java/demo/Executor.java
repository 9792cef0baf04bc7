package demo;

import com.xxl.job.core.context.XxlJobHelper;
import com.xxl.job.core.executor.impl.XxlJobSimpleExecutor;
import com.xxl.job.core.handler.annotation.XxlJob;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/** Arguments: admin address, appname, access token, port, folder for logs, file for effects. */
public final class Executor {
  private final Path effects;

  private Executor(Path effects) {
    this.effects = effects;
  }

  public static void main(String[] args) throws Exception {
    XxlJobSimpleExecutor executor = new XxlJobSimpleExecutor();
    executor.setAdminAddresses(args[0]);
    executor.setAppname(args[1]);
    executor.setAccessToken(args[2]);
    executor.setIp("127.0.0.1");
    executor.setPort(Integer.parseInt(args[3]));
    executor.setLogPath(args[4]);
    executor.setLogRetentionDays(3);
    executor.setXxlJobBeanList(List.of(new Executor(Path.of(args[5]))));
    executor.start();
    System.out.println("started");
    while (System.in.read() >= 0) {
      // Until the test closes the pipe.
    }
    executor.destroy();
    System.exit(0);
  }

  @XxlJob("demoJobHandler")
  public void demo() throws Exception {
    XxlJobHelper.log("begins with {}", XxlJobHelper.getJobParam());
    String shard = XxlJobHelper.getShardIndex() + "/" + XxlJobHelper.getShardTotal();
    write(XxlJobHelper.getJobParam() + "\t" + shard + "\n");
    XxlJobHelper.log("ends");
    XxlJobHelper.handleSuccess("done by Java");
  }

  @XxlJob("sleepJobHandler")
  public void sleep() throws Exception {
    XxlJobHelper.log("sleeps");
    try {
      Thread.sleep(Long.parseLong(XxlJobHelper.getJobParam()) * 1000);
    } catch (InterruptedException interrupted) {
      write("interrupted\n");
      throw interrupted;
    }
    write("slept\n");
  }

  @XxlJob("failJobHandler")
  public void fail() {
    XxlJobHelper.handleFail("refused on purpose");
  }

  private synchronized void write(String line) throws Exception {
    Files.writeString(effects, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }
}
