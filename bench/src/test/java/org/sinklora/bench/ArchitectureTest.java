package org.sinklora.bench;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** Which module may know which; see CONTRIBUTING.md. */
@AnalyzeClasses(packages = "org.sinklora", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
  private static final String US = "org.sinklora..";

  @ArchTest static final ArchRule compute_knows_nothing_of_ours = mayKnow("compute");

  @ArchTest static final ArchRule data_knows_nothing_of_ours = mayKnow("data");

  @ArchTest static final ArchRule sfattn_knows_compute = mayKnow("sfattn", "compute");

  @ArchTest
  static final ArchRule lora_knows_the_engine = mayKnow("lora", "compute", "sfattn", "data");

  @ArchTest
  static final ArchRule h2o_knows_lora = mayKnow("h2o", "compute", "sfattn", "data", "lora");

  @ArchTest
  static final ArchRule modules_have_no_cycles =
      slices().matching("org.sinklora.(*)..").should().beFreeOfCycles();

  @ArchTest
  static final ArchRule native_libraries_are_compute_s_business =
      noClasses()
          .that()
          .resideOutsideOfPackage("org.sinklora.compute..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("org.bytedeco..");

  @ArchTest
  static final ArchRule the_engine_knows_no_cluster =
      noClasses()
          .that()
          .resideOutsideOfPackage("org.sinklora.spark..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("org.apache.spark..", "org.apache.hadoop..");

  @ArchTest
  static final ArchRule no_drawers =
      noClasses().should().haveNameMatching(".*(Utils?|Helper|Manager)");

  private static ArchRule mayKnow(String module, String... others) {
    String[] allowed = new String[others.length + 1];
    allowed[0] = "org.sinklora." + module + "..";
    for (int i = 0; i < others.length; i++) {
      allowed[i + 1] = "org.sinklora." + others[i] + "..";
    }
    return classes()
        .that()
        .resideInAPackage("org.sinklora." + module + "..")
        .should()
        .onlyDependOnClassesThat(resideOutsideOfPackage(US).or(resideInAnyPackage(allowed)));
  }
}
