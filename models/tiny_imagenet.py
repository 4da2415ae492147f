"""The 50 classes of Tiny ImageNet that the small colour models know, by label: folders of the public dataset."""

CLASSES = (
    "n01443537",  # 0 goldfish
    "n01629819",  # 1 European fire salamander
    "n01698640",  # 2 American alligator
    "n01768244",  # 3 trilobite
    "n01882714",  # 4 koala
    "n01910747",  # 5 jellyfish
    "n01917289",  # 6 brain coral
    "n01983481",  # 7 American lobster
    "n02056570",  # 8 king penguin
    "n02058221",  # 9 albatross
    "n02094433",  # 10 Yorkshire terrier
    "n02099601",  # 11 golden retriever
    "n02106662",  # 12 German shepherd
    "n02123394",  # 13 Persian cat
    "n02125311",  # 14 cougar
    "n02129165",  # 15 lion
    "n02132136",  # 16 brown bear
    "n02165456",  # 17 ladybug
    "n02206856",  # 18 bee
    "n02268443",  # 19 dragonfly
    "n02279972",  # 20 monarch
    "n02281406",  # 21 sulphur butterfly
    "n02410509",  # 22 bison
    "n02437312",  # 23 Arabian camel
    "n02480495",  # 24 orangutan
    "n02504458",  # 25 African elephant
    "n02509815",  # 26 lesser panda
    "n02793495",  # 27 barn
    "n02814860",  # 28 beacon
    "n02917067",  # 29 bullet train
    "n02948072",  # 30 candle
    "n03100240",  # 31 convertible
    "n03393912",  # 32 freight car
    "n04146614",  # 33 school bus
    "n04275548",  # 34 spider web
    "n04285008",  # 35 sports car
    "n04366367",  # 36 suspension bridge
    "n04398044",  # 37 teapot
    "n04540053",  # 38 volleyball
    "n04562935",  # 39 water tower
    "n07579787",  # 40 plate
    "n07614500",  # 41 ice cream
    "n07734744",  # 42 mushroom
    "n07747607",  # 43 orange
    "n07749582",  # 44 lemon
    "n07753592",  # 45 banana
    "n07768694",  # 46 pomegranate
    "n07873807",  # 47 pizza
    "n09193705",  # 48 alp
    "n09428293",  # 49 seashore
)
