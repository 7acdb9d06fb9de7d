//! What a condition set promises to everybody who is handed one.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use mental_pong_game::task::clock::frame_ms;
use mental_pong_game::task::epochs::{FrameStatus, frame_status};
use mental_pong_game::task::geometry::{BALL_RADIUS_DISPLAY_DEG, Geometry, Rect};
use mental_pong_game::task::{
    BinAxis, Bounce, Condition, ConditionSet, Epoch, Law, Masks, Set, SetCondition, SetLaw,
    primate79, trajectory, trajectory_until, truth_bins,
};

fn all_sample() -> Vec<Condition> {
    let all = mental_pong_game::task::generate();
    all.into_iter().step_by(997).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn published_conditions_have_the_published_masks_and_places_bit_for_bit() {
    let sample = all_sample();
    let ids: Vec<String> = sample.iter().map(|c| c.id.to_string()).collect();
    let all = ConditionSet::open("all").unwrap().narrowed(&ids).unwrap();
    let recorded = ConditionSet::open("primate79").unwrap();
    let pairs = primate79().into_iter().chain(sample);
    let conditions = recorded.conditions().iter().chain(all.conditions());
    let mut n = 0;
    for (condition, trial) in conditions.zip(pairs) {
        assert_eq!(condition.id(), trial.id.to_string());
        assert_eq!(condition.start(), Some(&trial));
        let binned = condition.binned(&BinAxis::PUBLISHED);
        let masks = Masks::of(&trial);
        for epoch in Epoch::ALL {
            assert_eq!(binned.bins(epoch), masks.bins(epoch).collect::<Vec<_>>());
        }
        let truth = truth_bins(&trial);
        assert_eq!(bits(&binned.x_deg), bits(&truth.x_deg));
        assert_eq!(bits(&binned.y_deg), bits(&truth.y_deg));
        assert_eq!(bits(&binned.dx_deg_per_bin), bits(&truth.dx_deg_per_bin));
        assert_eq!(bits(&binned.dy_deg_per_bin), bits(&truth.dy_deg_per_bin));
        let end = trajectory(&trial, Law::Display).y_x10_deg();
        assert_eq!(condition.end_height_deg().to_bits(), end.to_bits());
        n += 1;
    }
    assert_eq!(n, 79 + 474);
}

#[test]
fn the_truth_of_a_published_condition_is_its_displayed_path() {
    let set = ConditionSet::open("primate79").unwrap();
    for (condition, trial) in set.conditions().iter().zip(primate79()).step_by(5) {
        let path = trajectory(&trial, Law::Display);
        let truth = condition.truth();
        assert_eq!(truth.len(), path.len());
        for (n, frame) in truth.iter().enumerate() {
            assert_eq!((frame.x_deg, frame.y_deg), (path.x_deg[n], path.y_deg[n]));
            assert_eq!(frame.time_ms, frame_ms(n, 60.0));
            let share = match frame_status(frame.x_deg, BALL_RADIUS_DISPLAY_DEG) {
                FrameStatus::Visible => frame.visible == 1.0,
                FrameStatus::Hidden => frame.visible == 0.0,
                FrameStatus::Partial => frame.visible > 0.0 && frame.visible < 1.0,
            };
            assert!(share, "{} {n}: {}", condition.id(), frame.visible);
        }
        // Beyond the end the ball flies on by the same law.
        let mut track = condition.track();
        track.fly_to(path.len() + 20);
        let long = trajectory_until(&trial, Law::Display, path.len() + 21);
        let n = path.len() + 20;
        assert_eq!(track.ball_deg(n), Some((long.x_deg[n], long.y_deg[n])));
    }
}

#[test]
fn bounce_classes_are_those_of_the_published_table() {
    let set = ConditionSet::open("primate79").unwrap();
    let of = |class| {
        set.conditions()
            .iter()
            .filter(|c| c.bounce() == class)
            .count()
    };
    // 52 of the 79 do not bounce (table of the 79: `n_bounce`, `bounce_epoch`).
    assert_eq!(of(Bounce::None), 52);
    assert_eq!(of(Bounce::Visible) + of(Bounce::Hidden), 27);
    let fresh = ConditionSet::open("fresh400").unwrap();
    let of = |class| {
        fresh
            .conditions()
            .iter()
            .filter(|c| c.bounce() == class)
            .count()
    };
    assert_eq!(Bounce::ALL.map(of), [134, 133, 133]);
}

#[test]
fn an_own_set_has_epochs_from_its_truth() {
    let trial = primate79()[0];
    let own = SetCondition::own("a".into(), trial, Law::Display);
    // By hand: the centre crosses 5° and 10° on a straight line of constant speed.
    let (vx, _) = trial.velocity0_deg_per_s();
    let at = |x: f64| (x - trial.x0_deg()) / vx * 1000.0;
    let (behind, end) = (at(5.0), at(10.0));
    for axis in [BinAxis::PUBLISHED, BinAxis::new(20.0, -100.0, 200).unwrap()] {
        let binned = own.binned(&axis);
        let of = |from: f64, to: f64| -> Vec<usize> {
            (0..axis.n_bins)
                .filter(|&b| axis.end_ms(b).min(to) - axis.start_ms(b).max(from) >= 1.0)
                .collect()
        };
        assert_eq!(binned.bins(Epoch::All), of(0.0, end));
        assert_eq!(binned.bins(Epoch::Visible), of(0.0, behind));
        assert_eq!(binned.bins(Epoch::Hidden), of(behind, end));
        // A straight flight of constant speed: the mean over frames is the place at their mean time.
        for &bin in binned.bins(Epoch::All) {
            let frames = axis.frames_of(bin, 60.0);
            let middle = if frames.is_empty() {
                axis.middle_ms(bin)
            } else {
                frame_ms(frames.start + frames.end - 1, 120.0)
            };
            let x = trial.x0_deg() + vx * middle / 1000.0;
            assert!((binned.x_deg[bin] - x).abs() < 1e-9, "{axis}, bin {bin}");
        }
    }
}

#[test]
fn several_occluders_hide_the_ball_each_for_itself() {
    let rect = |x0_deg, x1_deg, y0_deg, y1_deg| Rect {
        x0_deg,
        x1_deg,
        y0_deg,
        y1_deg,
    };
    let geometry = Geometry {
        occluders: vec![
            rect(-3.0, -1.0, -10.0, 10.0),
            rect(4.0, 6.0, -10.0, 10.0),
            // Far from the ball's height.
            rect(7.0, 9.0, -10.0, -9.0),
        ],
        ..Geometry::default()
    };
    let trial = primate79()[0];
    let own = SetCondition::own("a".into(), trial, Law::Display).with_geometry(geometry.into());
    let (vx, _) = trial.velocity0_deg_per_s();
    let at = |x: f64| (x - trial.x0_deg()) / vx * 1000.0;
    let spans = own.track().hidden_ms();
    let expected = [(at(-3.0), at(-1.0)), (at(4.0), at(6.0))];
    assert_eq!(spans.len(), 2, "{spans:?}");
    for (found, expected) in spans.iter().zip(expected) {
        assert!((found.0 - expected.0).abs() < 1e-6 && (found.1 - expected.1).abs() < 1e-6);
    }
    let binned = own.binned(&BinAxis::PUBLISHED);
    let hidden = binned.bins(Epoch::Hidden);
    assert!(hidden.windows(2).any(|pair| pair[1] > pair[0] + 1));
    let truth = own.truth();
    let near = |x: f64| {
        truth
            .iter()
            .min_by(|a, b| (a.x_deg - x).abs().total_cmp(&(b.x_deg - x).abs()))
    };
    assert_eq!(near(-2.0).unwrap().visible, 0.0);
    assert_eq!(near(1.0).unwrap().visible, 1.0);
    assert_eq!(near(8.0).unwrap().visible, 1.0);
}

#[test]
fn a_half_covered_ball_is_half_visible() {
    let geometry = Geometry::default();
    // The area of a circle's segment.
    for (x, r) in [(5.0_f64, 0.2_f64), (4.9, 0.2), (5.13, 0.4)] {
        let d: f64 = (x - 5.0) / r;
        let share = (d.acos() - d * (1.0 - d * d).sqrt()) / std::f64::consts::PI;
        let found = geometry.visible_share((x, 0.0), r);
        assert!((found - share).abs() < 2e-3, "{x}: {found}, not {share}");
    }
    let corner = Rect {
        x0_deg: 0.0,
        x1_deg: 2.0,
        y0_deg: 0.0,
        y1_deg: 2.0,
    };
    let geometry = Geometry {
        occluders: vec![corner],
        ..Geometry::default()
    };
    // The box touches, the disc does not.
    assert_eq!(geometry.visible_share((-0.18, -0.18), 0.2), 1.0);
    assert!((geometry.visible_share((0.0, 0.0), 0.2) - 0.75).abs() < 2e-3);
}

#[test]
fn a_part_keeps_the_hash_and_a_changed_set_has_another() {
    let set = ConditionSet::open("primate79").unwrap();
    let part = set.narrowed(&["59920", "29337"]).unwrap();
    assert_eq!(part.ids(), ["59920", "29337"]);
    assert_eq!(part.sha256(), set.sha256());
    let own = |ids: [&str; 2], law| {
        let of = |(id, trial): (&str, Condition)| SetCondition::own(id.into(), trial, law);
        let trials = primate79().into_iter().take(2);
        ConditionSet::new("own", ids.into_iter().zip(trials).map(of).collect()).unwrap()
    };
    let first = own(["a", "b"], Law::Display);
    assert_eq!(
        first.sha256(),
        own(["a", "b"], Law::Display).named("other").sha256()
    );
    assert_eq!(first.sha256(), first.narrowed(&["b"]).unwrap().sha256());
    assert_eq!(first.sha256(), first.with_rate(30.0).unwrap().sha256());
    for other in [
        own(["a", "c"], Law::Display),
        own(["b", "a"], Law::Display),
        own(["a", "b"], Law::Design),
    ] {
        assert_ne!(first.sha256(), other.sha256());
    }
    assert_eq!(
        first.with_law(Law::Design).unwrap().sha256(),
        own(["a", "b"], Law::Design).sha256()
    );
    assert_eq!(
        set.with_law(Law::Design)
            .unwrap()
            .narrowed(&["29337"])
            .unwrap()
            .sha256(),
        part.with_law(Law::Design).unwrap().sha256()
    );
    assert_eq!(
        first.with_rate(30.0).unwrap().conditions()[0].truth().len(),
        first.conditions()[0].truth().len().div_ceil(2)
    );
}

#[test]
fn names_and_ids_that_are_not_there_are_guessed() {
    let says = |error: mental_pong_game::Error, parts: &[&str]| {
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "{text}");
        }
    };
    says(
        ConditionSet::open("primat79").unwrap_err(),
        &["`primat79`", "(`primate79`?)", "fresh400"],
    );
    let set = ConditionSet::open("primate79").unwrap();
    says(
        set.narrowed(&["29338"]).unwrap_err(),
        &["`primate79`", "`29338`", "29337"],
    );
    says(
        set.narrowed(&["29337", "29337"]).unwrap_err(),
        &["29337", "twice"],
    );
    let all = ConditionSet::open("all").unwrap();
    says(
        all.narrowed(&["472225"]).unwrap_err(),
        &["472225", "0 to 472224"],
    );
    says(all.narrowed(&["07"]).unwrap_err(), &["`07`"]);
    let chosen = |ids: &[&str]| ConditionSet::chosen(None, ids).unwrap().name().to_owned();
    assert_eq!(
        (chosen(&[]), chosen(&["29337"]), chosen(&["29337", "1"])),
        ("primate79".into(), "primate79".into(), "all".into())
    );
}

#[test]
fn a_published_set_is_the_same_whether_asked_for_whole_or_by_ids() {
    for set in [Set::Fresh400, Set::Primate79] {
        let whole = ConditionSet::published(set, Law::Design);
        assert_eq!(whole.len(), whole.conditions().len());
        let ids = whole.ids();
        let rows = ConditionSet::published(Set::All, Law::Design)
            .narrowed(&ids)
            .unwrap();
        assert_eq!(rows.conditions(), whole.conditions());
        assert!(rows.identity().same_as(&whole.identity()));
        assert_eq!(whole.conditions()[0].law(), SetLaw::Design);
    }
}

mod on_disk {
    use std::path::Path;

    use mental_pong_base::Quiet;
    use mental_pong_game::Error;
    use mental_pong_game::frames::{FrameScene, Preset, Renderer};
    use mental_pong_game::stimuli::{
        Format, Job, Manifest, Movie, Setting, StimulusSet, verify, write_set,
    };
    use mental_pong_game::task::geometry::{Geometry, Rect};
    use mental_pong_game::task::set::TableRules;
    use mental_pong_game::task::{ConditionSet, Law, Set, SetLaw};

    const OWN: &str = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s,wall_low_deg,wall_high_deg,\
        ball_radius_deg,occluders,intercept_x_deg,draw_walls\n\
        slow/1,-8,0,0,3,,,,,,\n\
        zig zag,-8,0,50,12,-5,5,0.4,-2:1 4:6:-5:5,9,true\n";

    fn write(out: &Path, set: &ConditionSet, setting: Setting) -> Manifest {
        let stimuli = StimulusSet::new(set, setting).unwrap();
        write_set(out, &stimuli, &Job::default(), &Quiet)
            .unwrap()
            .manifest
    }

    fn own(folder: &Path, text: &str) -> ConditionSet {
        let path = folder.join("lab.csv");
        std::fs::write(&path, text).unwrap();
        ConditionSet::read_csv(path, TableRules::default()).unwrap()
    }

    #[test]
    fn a_stimulus_folder_is_the_set_that_it_was_made_from() {
        let folder = tempfile::tempdir().unwrap();
        let lab = own(folder.path(), OWN);
        let paths: String = (0..5)
            .map(|n| format!("a b,{},{},0,1\n", 20 * n, n))
            .collect();
        let recorded = own(
            folder.path(),
            &format!("id,time_ms,x_deg,y_deg,visible\n{paths}"),
        );
        let sets = [
            ConditionSet::open("primate79")
                .unwrap()
                .narrowed(&["55062", "29337"])
                .unwrap(),
            ConditionSet::published(Set::Fresh400, Law::Design)
                .narrowed(&["475"])
                .unwrap(),
            lab.narrowed(&["zig zag"]).unwrap(),
            lab,
            recorded,
        ];
        for (k, set) in sets.iter().enumerate() {
            for format in [Format::Npy, Format::Tar, Format::Zarr] {
                let out = folder.path().join(format!("{k}-{format}"));
                let setting = Setting {
                    format,
                    ..Setting::new(set.law(), Preset::Rnn100)
                };
                let manifest = write(&out, set, setting);
                assert_eq!(manifest.set, set.identity());
                let opened = ConditionSet::open(out.to_str().unwrap()).unwrap();
                assert_eq!(opened.identity(), set.identity());
                assert_eq!(opened.conditions(), set.conditions());
                assert_eq!(opened.is_published(), set.is_published());
                verify(&out, &Quiet).unwrap();
            }
        }
        // Names of files are made of ids, and stay in the folder.
        let out = folder.path().join("3-npy");
        assert!(out.join("slow%2F1.npy").exists() && out.join("zig%20zag.npy").exists());
        // A set shown at another rate is the same set.
        let out = folder.path().join("rate");
        let setting = Setting {
            frame_rate_hz: Some(30.0),
            ..Setting::new(SetLaw::Display, Preset::Rnn100)
        };
        write(&out, &sets[0], setting);
        let opened = ConditionSet::open(out.to_str().unwrap()).unwrap();
        assert_eq!(
            (opened.rate_hz(), opened.sha256()),
            (30.0, sets[0].sha256())
        );
        assert!(StimulusSet::new(&sets[4], Setting::new(Law::Design, Preset::Rnn100)).is_err());
    }

    #[test]
    fn a_manifest_that_says_something_else_than_its_set_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("set");
        let lab = own(folder.path(), OWN);
        write(&out, &lab, Setting::new(Law::Display, Preset::Rnn100));
        let path = out.join("manifest.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let manifest = Manifest::read(&out).unwrap();
        let hash = &manifest.set.sha256;
        let other = format!("{:0>64}", "1");
        for (field, from, to) in [
            (
                "rate_hz",
                "\"rate_hz\": 60.0".to_owned(),
                "\"rate_hz\": 50.0".to_owned(),
            ),
            (
                "n_frames",
                format!("\"n_frames\": {}", manifest.n_frames),
                "\"n_frames\": 9".into(),
            ),
            (
                "n_conditions",
                "\"n_conditions\": 2".into(),
                "\"n_conditions\": 3".into(),
            ),
            ("frame_shape", "[\n    100,".into(), "[\n    90,".into()),
            (
                "stimuli_sha256",
                format!("\"set_sha256\": \"{hash}\""),
                format!("\"set_sha256\": \"{other}\""),
            ),
            (
                "law",
                "\"law\": \"display\"".into(),
                "\"law\": \"design\"".into(),
            ),
        ] {
            let damaged = text.replace(&from, &to);
            assert_ne!(damaged, text, "{field}");
            std::fs::write(&path, damaged).unwrap();
            let refused = verify(&out, &Quiet);
            assert!(
                matches!(&refused, Err(Error::ManifestMismatch { field: f, .. }) if *f == field || field == "law"),
                "{field}: {refused:?}"
            );
        }
        // A published set's name on conditions that are not its own.
        let published = ConditionSet::open("primate79").unwrap();
        let claim = text.replace(hash.as_str(), published.sha256());
        std::fs::write(&path, claim).unwrap();
        let message = verify(&out, &Quiet).unwrap_err().to_string();
        assert!(message.contains("no condition"), "{message}");
        std::fs::write(&path, &text).unwrap();
        // What a killed run left is named, and removed by the next.
        std::fs::write(out.join(".part-abc"), "half").unwrap();
        std::fs::write(out.join("notes.txt"), "mine").unwrap();
        let stray = verify(&out, &Quiet).unwrap().unlisted;
        assert_eq!(stray, [Path::new(".part-abc"), Path::new("notes.txt")]);
        write(&out, &lab, Setting::new(Law::Display, Preset::Rnn100));
        assert_eq!(
            verify(&out, &Quiet).unwrap().unlisted,
            [Path::new("notes.txt")]
        );
    }

    fn pixel(preset: Preset, frame: &[u8], at_deg: (f64, f64)) -> u8 {
        let (column, row) = preset.px_from_deg(at_deg);
        frame[(row as usize * preset.size() + column as usize) * preset.channels()]
    }

    #[test]
    fn a_geometry_is_drawn_where_it_says() {
        let geometry = Geometry {
            wall_low_deg: -5.0,
            wall_high_deg: 6.0,
            ball_radius_deg: Some(1.0),
            occluders: vec![
                Rect {
                    x0_deg: -2.0,
                    x1_deg: 1.0,
                    y0_deg: -10.0,
                    y1_deg: 10.0,
                },
                Rect {
                    x0_deg: 4.0,
                    x1_deg: 6.0,
                    y0_deg: -3.0,
                    y1_deg: 3.0,
                },
            ],
            draw_walls: true,
            ..Geometry::default()
        };
        for preset in Preset::ALL {
            let mut renderer = Renderer::new(preset);
            let scene = |ball| FrameScene {
                ball: Some(ball),
                occluder: Some(1.0),
                ..FrameScene::default()
            };
            let published = renderer.draw(&scene((-6.0, 0.0))).to_vec();
            renderer.set_geometry(&geometry);
            let frame = renderer.draw(&scene((-6.0, 0.0))).to_vec();
            let occluder = pixel(preset, &published, (7.0, 0.0));
            let bare = pixel(preset, &published, (-8.0, 8.0));
            for (at, expected) in [
                ((-0.5, 9.0), occluder),
                ((5.0, 0.0), occluder),
                ((5.0, 4.0), bare),
                ((8.0, 0.0), bare),
                ((-6.0, 0.7), 255),
                ((-6.0, 1.3), bare),
            ] {
                assert_eq!(pixel(preset, &frame, at), expected, "{preset} {at:?}");
            }
            // The walls' lines, and nothing between them.
            for y in [-5.05, 6.05] {
                assert_ne!(pixel(preset, &frame, (-9.0, y)), bare, "{preset} {y}");
            }
            assert_eq!(pixel(preset, &frame, (-9.0, -4.5)), bare);
            // Behind the small rectangle the ball is seen where that ends.
            let frame = renderer.draw(&scene((5.0, 3.0))).to_vec();
            assert_eq!(pixel(preset, &frame, (5.0, 2.5)), occluder, "{preset}");
            assert_eq!(pixel(preset, &frame, (5.0, 3.5)), 255, "{preset}");
            // Back in the published geometry every byte is as before.
            renderer.set_geometry(&Geometry::default());
            assert!(renderer.draw(&scene((-6.0, 0.0))) == published);
        }
    }

    #[test]
    fn two_bounces_and_speeds_from_3_to_12_are_drawn_along_their_truth() {
        let folder = tempfile::tempdir().unwrap();
        let set = own(folder.path(), OWN);
        for law in Law::ALL {
            let setting = Setting::new(law, Preset::Model224);
            let stimuli = StimulusSet::new(&set, setting).unwrap();
            for condition in stimuli.conditions() {
                let mut movie = Movie::of(condition, setting).unwrap();
                for (n, truth) in condition.truth().iter().enumerate().step_by(7) {
                    assert_eq!(movie.truth(n).unwrap().y_deg, truth.y_deg);
                    let frame = movie.draw(n).to_vec();
                    if truth.visible == 1.0 {
                        let at = (truth.x_deg, truth.y_deg);
                        assert!(
                            pixel(Preset::Model224, &frame, at) > 200,
                            "{} {n}",
                            condition.id()
                        );
                    }
                }
            }
        }
        let zig = set.condition("zig zag").unwrap();
        assert!(zig.track().bounces_ms().len() >= 2);
    }
}
